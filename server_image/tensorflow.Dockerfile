# server-tf: the model server with TensorFlow, for models that no compiled engine takes. Its libraries are the trainer's,
# byte for byte, so that a node keeps them once. Build from the repository's root: docker build -f server_image/tensorflow.Dockerfile .
ARG BASE=python:3.11-slim

# The libraries, a layer of their own: an edit of our code leaves it as it is.
FROM ${BASE} AS libraries
COPY locks/trainer.txt /tmp/requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-deps -r /tmp/requirements.txt \
 && cd /opt/venv/lib/python3*/site-packages && rm -rf pip tests tools examples \
      onnxruntime/capi/libonnxruntime.so* onnxruntime/transformers onnxruntime/quantization onnxruntime/tools onnxruntime/datasets onnxruntime/backend

FROM ${BASE} AS more
COPY locks/server-tf.txt /tmp/requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip python3 -m pip install --no-deps --target /opt/server -r /tmp/requirements.txt

# What of the server is in C.
FROM ${BASE} AS native
COPY locks/build.txt /tmp/requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip python3 -m venv /opt/build \
 && /opt/build/bin/pip install --no-deps -r /tmp/requirements.txt
COPY server_image/ropewalk_server/__init__.py /src/ropewalk_server/
COPY server_image/ropewalk_server/native /src/ropewalk_server/native
RUN PYTHONPATH=/src /opt/build/bin/python -m ropewalk_server.native.build /opt/native.so

FROM ${BASE} AS project
COPY pyproject.toml README.md LICENSE /src/
COPY contract/ropewalk_contract /src/contract/ropewalk_contract
COPY operator/ropewalk /src/operator/ropewalk
COPY model/ropewalk_model /src/model/ropewalk_model
COPY trainer_image/ropewalk_trainer /src/trainer_image/ropewalk_trainer
COPY server_image/ropewalk_server /src/server_image/ropewalk_server
RUN --mount=type=cache,target=/root/.cache/pip python3 -m pip install --no-deps --target /opt/ropewalk /src \
 && sed -i '1s|.*|#!/opt/venv/bin/python3|' /opt/ropewalk/bin/*

FROM ${BASE}
COPY --from=libraries /opt/venv /opt/venv
COPY --from=more /opt/server /opt/server
COPY --from=project /opt/ropewalk /opt/ropewalk
COPY --from=native /opt/native.so /opt/ropewalk/ropewalk_server/native/
ENV PATH=/opt/ropewalk/bin:/opt/venv/bin:$PATH PYTHONPATH=/opt/ropewalk:/opt/server \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
# Who breaks in finds no shell; to look inside, `kubectl debug` brings its own.
RUN rm -f /usr/bin/sh /usr/bin/dash /usr/bin/bash /usr/bin/rbash
USER 65532:65532
CMD ["ropewalk-serve", "serve"]
