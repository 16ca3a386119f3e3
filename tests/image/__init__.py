"""What `make image` tests: the image that scripts/check_image.sh has built. Needs root, and Debian's podman."""
