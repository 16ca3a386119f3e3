"""How a definition becomes what Kibana stores. Shapes that Kibana 8.11 to 9.x both read."""
