"""Results to hand in: tables for a paper, figures, a bundle for others, and the citations of what took part."""
