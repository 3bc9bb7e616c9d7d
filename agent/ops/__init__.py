"""The bundled ops agent and the back office it works on."""
