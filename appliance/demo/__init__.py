"""`appliance demo`: run the daemon with drawn scenes, an embedded broker and a local repository."""
