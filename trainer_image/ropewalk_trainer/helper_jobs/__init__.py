"""Work on the store outside a run (D14): read what it knows, delete what is kept no longer.

A helper job's pod has little memory and should end in a second: nothing here imports TensorFlow, pandas or numpy.
"""
