# jumpset for CPUs. It runs as any user, without a home directory, and from a read-only file system with a /tmp.
FROM python:3.12-slim AS build
COPY . /src
RUN python -m venv /opt/jumpset \
    && /opt/jumpset/bin/pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu "torch>=2.7" \
    && /opt/jumpset/bin/pip install --no-cache-dir "/src[cli,learned]"

FROM python:3.12-slim
COPY --from=build /opt/jumpset /opt/jumpset
# Numba keeps compiled kernels in a folder of the user in /tmp where it can write nowhere else.
ENV HOME=/nonexistent PATH=/opt/jumpset/bin:$PATH
USER 65534
WORKDIR /data
ENTRYPOINT ["jumpset"]
