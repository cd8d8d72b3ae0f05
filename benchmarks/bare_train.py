"""What a data scientist writes without Ropewalk: read, scale, train, save, in one process. The yardstick of a run."""

import sys
import time

import keras
import numpy as np
from pyarrow import csv

frame = csv.read_csv(sys.argv[1])
labels = (frame["diagnosis"].to_numpy() == "benign").astype("int32")
values = np.column_stack([column.to_numpy() for column in frame.drop_columns(["diagnosis"]).columns]).astype("float32")
values = (values - values.mean(0)) / values.std(0)
keras.utils.set_random_seed(1)
order = np.random.permutation(len(values))
test, rest = order[:114], order[114:]
model = keras.Sequential(
    [
        keras.layers.Input((values.shape[1],)),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(32, activation="relu"),
        keras.layers.Dense(2, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
model.fit(values[rest], labels[rest], epochs=30, batch_size=32, validation_split=0.15, callbacks=[stop], verbose=0)
print("accuracy", model.evaluate(values[test], labels[test], verbose=0)[1])
model.export(f"{sys.argv[2]}/{time.time_ns()}", verbose=False)
