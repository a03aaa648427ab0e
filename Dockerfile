# The images of compose.yml: helfy (api, consumer and the commands) and web
# (nginx and the files of the page).
#
# A test runs the commands of the stage build, and the linter of BuildKit reads
# this file.

FROM golang:1.26.8 AS build
WORKDIR /src
ENV CGO_ENABLED=0
COPY go.mod go.sum ./
COPY canaljson/go.mod canaljson/
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -buildvcs=false -ldflags="-s -w" -o /out/helfy .

FROM scratch AS helfy
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/helfy /bin/helfy
USER 65532:65532
ENTRYPOINT ["/bin/helfy"]
CMD ["serve"]

FROM nginx:1.28.0-alpine AS web
COPY deploy/nginx/nginx.conf /etc/nginx/nginx.conf
COPY deploy/nginx/headers.conf /etc/nginx/helfy-headers.conf
COPY web/assets /usr/share/nginx/helfy/assets
USER 101:101
EXPOSE 8080
ENTRYPOINT ["nginx", "-g", "daemon off;"]
