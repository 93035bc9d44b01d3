# What `make run` sets up and serves, as an image: the Makefile's own steps, so the same pins. docs/operations.md says how to run it.

FROM node:22-bookworm AS built
WORKDIR /katha
COPY Makefile ./
COPY schema/server/explorer schema/server/explorer
COPY schema/schema.graphql schema/schema.graphql
COPY clients/typescript clients/typescript
COPY clients/together clients/together
RUN make explorer clients

FROM python:3.11-bookworm AS installed
WORKDIR /katha
COPY Makefile ./
COPY requirements requirements
RUN make .venv/ready-run
COPY manage.py LICENSE *.md ./
COPY backend backend
COPY resolvers resolvers
COPY schema schema
COPY docs docs
COPY --from=built /katha/schema/server/explorer/static/explorer/vendor schema/server/explorer/static/explorer/vendor
COPY --from=built /katha/schema/server/together/static/together/vendor schema/server/together/static/together/vendor
# Nothing can be written here later, where it runs.
RUN .venv/bin/python -m compileall -q .

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --home-dir /data --create-home katha
COPY --from=installed /katha /katha
WORKDIR /katha
USER katha
ENV KATHA_DATA=/data PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=6s --start-period=3m \
    CMD [".venv/bin/python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/readyz', timeout=5)"]
ENTRYPOINT [".venv/bin/python", "manage.py"]
CMD ["serve", "--migrate", "--demo", "--host", "0.0.0.0", "--port", "8000", "--workers", "2"]
