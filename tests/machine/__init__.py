"""The state machine over the services, and a command that runs it for long."""
