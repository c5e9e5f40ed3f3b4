"""Flows that cross all areas, through the product's real parts."""
