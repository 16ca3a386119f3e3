"""What `make airflow` tests: each DAG against the embedded engines. Airflow has an environment of its own."""
