FROM docker.io/library/node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Where the registry needs settings of its own, they come as the secret `npmrc`, which no layer keeps.
# Without install scripts: none is needed here, not even that of the development dependency `node`.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --ignore-scripts --prefer-offline --no-audit --no-fund
COPY tsconfig.json build.ts ./
COPY src src
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund
# A new volume takes its owner from here.
RUN mkdir /data && chown 65532:65532 /data

FROM docker.io/library/node:24-slim
ENV NODE_ENV=production
COPY --from=build /app/package.json /app/
COPY --from=build /app/node_modules /app/node_modules
COPY --from=build /app/dist /app/dist
COPY --from=build /data /data
# The default store is ./data/aftersync.db: in the volume, the only place that is written to.
WORKDIR /
VOLUME /data
# Numeric, so that Kubernetes can tell that it is not root (runAsNonRoot).
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["node", "/app/dist/cli.js"]
CMD ["serve"]
