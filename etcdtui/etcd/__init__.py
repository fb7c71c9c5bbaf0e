"""What etcd says and how it is asked: text and bytes, no sockets."""
