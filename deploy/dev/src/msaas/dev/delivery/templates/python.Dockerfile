# Made by `./msaas images --write`: change the template in deploy/dev, not this file.
# Build it from the repository's root: docker build -f {{dockerfile}} .
ARG BASE={{base}}
ARG UV={{uv}}

FROM $UV AS uv

FROM $BASE AS build
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=/app/.venv
WORKDIR /src
RUN uv venv --quiet --no-project --python /usr/local/bin/python $VIRTUAL_ENV
COPY {{lock}} requirements.lock
RUN uv pip install --quiet --no-deps --require-hashes --requirements requirements.lock
{{copies}}
RUN uv pip install --quiet --offline --no-deps {{units}}{{data_folder}}{{migrations}}
# The same files, dates and bytecode in each build: equal sources make equal layers.
ARG SOURCE_DATE_EPOCH=0
RUN find $VIRTUAL_ENV -name uv_cache.json -delete \
    && $VIRTUAL_ENV/bin/python -m compileall -q --invalidation-mode unchecked-hash $VIRTUAL_ENV/lib \
    && find {{output}} -exec touch --no-dereference --date=@$SOURCE_DATE_EPOCH {} +

FROM $BASE
{{packages}}ARG VERSION={{version}}
ARG REVISION=unknown
ARG ENVIRONMENT=any
LABEL org.opencontainers.image.title="micro-saas {{name}}" \
      org.opencontainers.image.description="{{description}}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      com.micro-saas.service.role="{{name}}" \
      com.micro-saas.environment=$ENVIRONMENT
COPY --from=build /app /app
{{copy_data}}ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp{{environment}}
WORKDIR /app
USER 10001:10001
EXPOSE {{ports}}
HEALTHCHECK --interval=10s --timeout=20s --start-period=180s --retries=6 \
    CMD ["python", "-ISc", "{{probe}}"]
ENTRYPOINT ["python", "-P", "-m", "msaas.{{module}}"]
CMD {{command}}
