"""When a rule fires: time grids, member encodings, aggregates, conditions and crossings."""
