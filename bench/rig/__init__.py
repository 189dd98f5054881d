"""What the measurements of the data plane stand on: upstream, proxies, load, accounts. Judges no figure."""
