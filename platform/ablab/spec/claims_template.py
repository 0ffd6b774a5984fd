"""A new claims file as text: one example of every kind of quantity, to be written over."""

from __future__ import annotations

TEMPLATE = """\
# What SOURCE claims, each entry checkable:  ablab claims check FILE [--study STUDY]
kind: claims
name: NAME
source: Author et al. (2026), or the README of a repository

# Which cell of a study is meant: it has all of these levels. Keys as in experiments/original.yaml, dotted.
arms:
  before: {improvements.residual: none}
  after: {improvements.residual: gated}

# The source's own numbers, for arithmetic.
numbers:
  r_before: 0.20
  r_after: 0.25

# Trainable parameters that you have counted, by arm.
parameters:
  before: 15521793
  after: 15554881

claims:
  gain_in_percent:
    source: Abstract
    statement: From 0.20 to 0.25 is 25 % more.
    quantity: {kind: arithmetic, expression: r_after / r_before - 1}
    claimed: {value: 0.25, tolerance: 0.005}  # half a unit of the last digit that is stated
    data: none                                # needs no run
  size:
    source: Table 1
    statement: The change adds less than 1 % of parameters.
    quantity: {kind: parameters, arm: after, minus: before, relative: true}
    claimed: {below: 0.01}
    data: none
  gain:
    source: Table 2
    statement: The change gains at least 0.05 of test r.
    quantity: {kind: difference, metric: test/pearson, treatment: after, reference: before}
    claimed: {above: 0.05}
    data: real                                # performance: simulated data never decide it
  level:
    source: Table 2
    statement: The changed decoder reaches a test r of 0.24 to 0.26.
    quantity: {kind: metric, metric: test/pearson, arm: after}
    claimed: {above: 0.24, below: 0.26}
    data: real
  movement:
    source: Section 4
    statement: The front block moves at least twice as far.
    quantity: {kind: ratio, metric: weights/front_change, treatment: after, reference: before}
    claimed: {above: 2.0}
    data: any                                 # mechanics: simulated listeners may decide it
  stability:
    source: Section 4
    statement: The gradient norm stays below 10.
    quantity: {kind: course, metric: gradient/norm, arm: after, extreme: highest}
    claimed: {below: 10.0}
    data: any
  speed:
    source: Figure 3
    statement: The change makes training 50 epochs shorter.
    quantity: {kind: epochs_to_converge, treatment: after, reference: before}
    claimed: {below: -50.0}
    data: real
  no_harm:
    source: Discussion
    statement: Validation r stays the same within 0.01.
    quantity: {kind: difference, metric: validation/pearson, treatment: after, reference: before}
    claimed: {above: -0.01, below: 0.01}
    test: equivalence                         # two one-sided tests
    data: real
"""
