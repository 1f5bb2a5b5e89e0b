"""Access to the machine: files, time, threads, memory, logging and systemd."""
