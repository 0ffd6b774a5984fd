"""Plots as SVG text: vector, without any drawing library, in colours that follow the page's scheme."""
