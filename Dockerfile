# The product from its locked versions, as a user who owns nothing but /var/lib/autonomous_healing.
FROM python:3.11-slim AS build
RUN python -m venv /opt/product
WORKDIR /build
COPY requirements.lock ./
RUN /opt/product/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY LICENSE README.md pyproject.toml ./
COPY src ./src
RUN /opt/product/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
RUN useradd --system --create-home --home-dir /var/lib/autonomous_healing --uid 10001 product
COPY --from=build /opt/product /opt/product
ENV PATH=/opt/product/bin:$PATH PYTHONUNBUFFERED=1 HEALING__SERVER__HOST=0.0.0.0
USER product
WORKDIR /var/lib/autonomous_healing
COPY --chown=product:product config ./config
VOLUME /var/lib/autonomous_healing
EXPOSE 5002 8888
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8888/livez', timeout=2)"]
ENTRYPOINT ["autonomous-healing"]
CMD ["start"]
