#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds what the real-API tests and benchmarks need from Go modules and prints
# the folder of each: kube-apiserver and etcd ("kube"), or CoreDNS ("coredns").
# Results are kept outside the tree, keyed by version; a build goes to a
# temporary name and is renamed, so that half a build is never taken for one.
#
#   build.sh kube|coredns...     exit status 3: no suitable Go
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${BINNACLE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/binnacle}
kube_version=1.35.4
coredns_version=1.14.7
go_needed=1.26

need_go() {
	local have
	if ! command -v go >/dev/null; then
		echo "build.sh: Go $go_needed or later is not installed" >&2
		exit 3
	fi
	have=$(GOTOOLCHAIN=local go env GOVERSION)
	have=${have#go}
	if [ "$(printf '%s\n%s\n' "$go_needed" "$have" | sort -V | head -n 1)" != "$go_needed" ]; then
		echo "build.sh: Go $have is too old, $go_needed or later is needed" >&2
		exit 3
	fi
}

version_flags() {
	local p
	for p in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		printf -- '-X %s.gitVersion=v%s -X %s.gitMajor=1 -X %s.gitMinor=%s ' \
			$p $kube_version $p $p "$(echo $kube_version | cut -d. -f2)"
		printf -- '-X %s.gitTreeState=clean -X %s.gitCommit=%040d -X %s.buildDate=2026-01-01T00:00:00Z ' \
			$p $p 0 $p
	done
}

build_kube() { # into $1
	cp "$here/kube-$kube_version.mod" "$1/go.mod"
	cp "$here/kube-$kube_version.sum" "$1/go.sum"
	cd "$1"
	go build -mod=mod -trimpath -ldflags "-s -w" -o bin/etcd go.etcd.io/etcd/server/v3
	go build -mod=mod -trimpath -ldflags "-s -w $(version_flags)" -o bin/ \
		k8s.io/kubernetes/cmd/kube-apiserver
}

build_coredns() { # into $1
	cd "$1"
	GOBIN=$1/bin go install -trimpath "github.com/coredns/coredns@v$coredns_version"
}

provide() { # name version
	local folder=$cache/$1-$2 work
	if [ ! -d "$folder/bin" ]; then
		need_go
		mkdir -p "$cache"
		work=$(mktemp -d "$cache/.building-$1-XXXXXXXX")
		# shellcheck disable=SC2064
		trap "rm -rf '$work'" EXIT
		echo "build.sh: building $1 $2; this takes some minutes, once" >&2
		(export GOTOOLCHAIN=local CGO_ENABLED=0; "build_$1" "$work") >&2
		chmod 755 "$work"
		# Somebody else may have been faster: theirs is as good.
		mv -T "$work" "$folder" 2>/dev/null || [ -d "$folder/bin" ]
		rm -rf "$work"
		trap - EXIT
	fi
	echo "$folder"
}

[ $# -gt 0 ] || { echo "usage: build.sh kube|coredns..." >&2; exit 2; }
for what in "$@"; do
	case $what in
	kube) provide kube $kube_version ;;
	coredns) provide coredns $coredns_version ;;
	*) echo "build.sh: $what? kube or coredns" >&2; exit 2 ;;
	esac
done
