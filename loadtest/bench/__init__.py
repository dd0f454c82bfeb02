"""What loadtest/compare is made of."""
