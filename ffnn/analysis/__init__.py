"""Looks into networks: their layers in two dimensions, their decisions, their gradients' noise, signals through depth.

Each analysis is a function of plain arrays or networks; `ffnn analyze` gives it a run and draws what it finds.
"""
