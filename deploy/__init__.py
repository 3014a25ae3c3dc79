"""How quanheng comes onto a machine: setup, local servers, the demo."""
