# Made by `./msaas images --write`: change the template in deploy/dev, not this file.
# Build it from the repository's root: docker build -f {{dockerfile}} .
ARG BASE={{base}}

FROM $BASE AS build
ENV NEXT_TELEMETRY_DISABLED=1 PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1
WORKDIR /src
COPY frontend/package.json frontend/package-lock.json frontend/.npmrc ./
RUN npm install --no-audit --no-fund --no-save
COPY frontend .
RUN node_modules/.bin/next build \
    && mkdir -p .next/standalone/.next/cache \
    && cp -R .next/static .next/standalone/.next/static
ARG SOURCE_DATE_EPOCH=0
RUN find .next/standalone -exec touch --no-dereference --date=@$SOURCE_DATE_EPOCH {} +

FROM $BASE
ARG VERSION={{version}}
ARG REVISION=unknown
ARG ENVIRONMENT=any
LABEL org.opencontainers.image.title="micro-saas {{name}}" \
      org.opencontainers.image.description="{{description}}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      com.micro-saas.service.role="{{name}}" \
      com.micro-saas.environment=$ENVIRONMENT
COPY --from=build /src/.next/standalone /app
ENV NODE_ENV=production NEXT_TELEMETRY_DISABLED=1 NEXT_PUBLIC_RELEASE=$VERSION HOME=/tmp HOSTNAME=0.0.0.0 PORT={{port}}
WORKDIR /app
USER 10001:10001
EXPOSE {{port}}
HEALTHCHECK --interval=10s --timeout=20s --start-period=180s --retries=6 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/api/health`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "server.js"]
