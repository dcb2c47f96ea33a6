"""Runs: a method's stages one after the other (`running.run`), and the folder that they leave."""
