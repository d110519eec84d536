"""What a request to a remote store costs this machine, apart from the network."""
