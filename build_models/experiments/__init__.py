"""The paper's experiments: grids of cells, their results, and the page of verdicts made from them."""
