"""What must hold while processes are killed, disks are full and servers are away."""
