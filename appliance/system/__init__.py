"""What the program needs of the machine: files, time, threads, memory, logging and systemd."""
