"""What etcdtui talks about: frozen facts and pure functions over them."""
