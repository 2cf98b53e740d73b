#!/usr/bin/env bash
# Checks of everything in deploy/ that need no container engine and no cluster: `make deploy-check`.
# Python tools are installed into build/deploy-check; other tools are used where they are installed, and what was skipped is
# listed at the end. Exit code 1: a check failed.
set -uo pipefail
cd "$(dirname "$0")" || exit 1
KUBERNETES=1.33

tools="$PWD/../build/deploy-check"
if ! cmp -s check-requirements.txt "$tools/installed.txt"; then
    python3 -m venv --clear "$tools" || exit 1
    "$tools/bin/pip" install --quiet --disable-pip-version-check -r check-requirements.txt || exit 1
    cp check-requirements.txt "$tools/installed.txt"
fi
PATH="$tools/bin:$PATH"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
failed=0
skipped=()

check() { # check NAME COMMAND...
    local name="$1"
    shift
    if "$@" >"$scratch/output" 2>&1; then
        echo "ok      $name"
    else
        echo "FAILED  $name"
        sed 's/^/        /' "$scratch/output"
        failed=1
    fi
}

has() { # has TOOL WHAT-IS-SKIPPED HOW-TO-GET-IT
    command -v "$1" >/dev/null && return
    skipped+=("$2: $1 is missing ($3)")
    return 1
}

# shellcheck disable=SC2329 # called by check
kustomized() {
    kubectl kustomize "$1" >"$scratch/rendered.yaml" && kubernetes-validate --strict -k "$KUBERNETES" "$scratch/rendered.yaml"
}

# shellcheck disable=SC2329 # called by check
with_listen_tls() {
    local overlay="$scratch/with-listen-tls"
    mkdir "$overlay" || return 1
    printf 'resources: [%s]\ncomponents: [%s]\n' "$(realpath --relative-to="$overlay" "$1")" \
        "$(realpath --relative-to="$overlay" listen-tls)" >"$overlay/kustomization.yaml"
    kustomized "$overlay"
}

# The unit without its program, which is not installed here: unknown keys, values and system calls are reported.
# shellcheck disable=SC2329 # called by check
unit() {
    sed 's#/opt/videotag/bin/videotag#/bin/true#' systemd/videotag.service >"$scratch/videotag.service"
    systemd-analyze verify "$scratch/videotag.service"
}

check "Dockerfiles: hadolint" hadolint docker/Dockerfile triton/Dockerfile
check "shell scripts: shellcheck" shellcheck check.sh gpu-check.sh docker/*.sh
check "compose: schema" check-jsonschema --builtin-schema vendor.compose-spec compose/compose{,.triton,.triton-tls}.yaml
check "Kubernetes: schemas of $KUBERNETES" kubernetes-validate --strict -k "$KUBERNETES" \
    kubernetes/base/{namespace,bundles,deployment,service,autoscaler,disruption-budget,network-policy}.yaml \
    kubernetes/triton/triton.yaml
if has kubectl "Kubernetes: kustomize" "https://kubernetes.io/docs/tasks/tools"; then
    cd kubernetes || exit 1
    check "Kubernetes: kustomize base" kustomized base
    check "Kubernetes: kustomize triton" kustomized triton
    check "Kubernetes: kustomize triton-tls" kustomized triton-tls
    check "Kubernetes: kustomize triton-tls with listen-tls" with_listen_tls triton-tls
    cd ..
fi
if has promtool "Prometheus: rules, their tests, configuration" "Debian: apt-get install prometheus"; then
    check "Prometheus: alert rules" promtool check rules alerts.yaml
    check "Prometheus: alerts fire and end" promtool test rules alerts_test.yaml
    check "Prometheus: configuration" promtool check config --syntax-only compose/prometheus.yml
fi
if has systemd-analyze "systemd: unit" "Debian: apt-get install systemd"; then
    check "systemd: unit" unit
fi
if [ ${#skipped[@]} -gt 0 ]; then printf 'skipped %s\n' "${skipped[@]}"; fi
exit "$failed"
