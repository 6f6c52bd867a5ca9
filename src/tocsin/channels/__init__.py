"""Ways to reach a person: a message goes in, a receipt comes out."""
