"""Puts the data view, the saved search and the dashboards into a Kibana, over its HTTP interface."""

from cryptoproxy.kibana_client.answers import ImportedObject, InstallReport
from cryptoproxy.kibana_client.bundle import definitions_file
from cryptoproxy.kibana_client.install import install

__all__ = ["ImportedObject", "InstallReport", "definitions_file", "install"]
