"""The local control socket, on which a command on this machine reaches the running daemon."""
