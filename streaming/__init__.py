"""What flows through a scan, and what drives the flow."""
