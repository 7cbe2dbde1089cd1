"""The sandbox's DNS: zones held in memory, served as real packets over UDP and TCP."""
