"""The local control socket, through which a command on this machine contacts the running daemon."""
