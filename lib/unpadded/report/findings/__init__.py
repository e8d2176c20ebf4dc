"""What notebooks found: objects that hand back a table and a picture."""
