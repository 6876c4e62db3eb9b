# An image with a binary that `make release` has made, and nothing else that runs:
#
#	make release PLATFORMS="linux/amd64 linux/arm64"
#	docker buildx build --platform linux/amd64,linux/arm64 --tag step-ca-intune .
#
# The base is named by its tag: its digest is the registry's to tell, and no mirror of
# sources has it. Whoever publishes an image resolves it first and builds with
# --build-arg BASE=gcr.io/distroless/static-debian13@sha256:… after cosign has verified it.
ARG BASE=gcr.io/distroless/static-debian13:nonroot
FROM ${BASE}
ARG TARGETARCH
COPY dist/step-ca-intune-linux-${TARGETARCH} /usr/local/bin/step-ca-intune
COPY dist/LICENSES.txt /usr/share/doc/step-ca-intune/LICENSES.txt
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
ENV STEPPATH=/etc/step-ca
ENTRYPOINT ["/usr/local/bin/step-ca-intune"]
CMD ["/etc/step-ca/config/ca.json", "--password-file", "/etc/step-ca/secrets/password"]
