#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes a container image of Binnacle from this tree and Debian's packages. No container
# engine is needed, and no network once deploy/packages.txt is installed.
#
#   deploy/image.sh [--output DIR] [--archive FILE] [--name NAME:TAG] [--build DIR | --binary FILE]
#
#   --output DIR      the OCI layout (default build-image/oci)
#   --archive FILE    also a tar for docker load, ctr images import, kind load image-archive
#   --name NAME:TAG   what the image is called (default localhost/binnacle:VERSION)
#   --build DIR       where to build the program (default build-image/build)
#   --binary FILE     take this binnacle instead of building one
#
# SOURCE_DATE_EPOCH is the time of all files in it; without it, that of the last commit.
# The same sources, packages and time give the same digest.
set -euo pipefail

tree=$(cd "$(dirname "$0")/.." && pwd)
output=$tree/build-image/oci build=$tree/build-image/build archive='' name='' binary=''

usage() {
	sed -n '3,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
}

wrong() {
	echo "image.sh: $1" >&2
	exit 1
}

while [ $# -gt 0 ]; do
	case $1 in
	--output | --archive | --name | --build | --binary)
		[ $# -gt 1 ] && [ -n "$2" ] || { echo "image.sh: $1 needs a value" >&2; exit 2; }
		declare "${1#--}=$2"
		shift
		;;
	-h | --help) usage; exit 0 ;;
	*) echo "image.sh: unknown argument $1" >&2; usage >&2; exit 2 ;;
	esac
	shift
done

build_program() { # folder
	local tool
	for tool in gcc meson ninja pkg-config; do
		command -v "$tool" >/dev/null ||
			wrong "there is no $tool here; as root: apt-get install \$(cat deploy/packages.txt)"
	done
	# Nothing of where or when it is built may get into it; the rest is what Debian hardens with.
	[ -f "$1/build.ninja" ] || meson setup "$1" "$tree" -Doptimization=2 -Ddebug=false -Db_pie=true -Dtests=disabled \
		-Dc_args="-ffile-prefix-map=$tree=. -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection" \
		-Dc_link_args="-Wl,-z,relro,-z,now" >"$1.log" 2>&1 || wrong "meson failed, see $1.log"
	ninja -C "$1" binnacle >>"$1.log" 2>&1 || wrong "the build failed, see $1.log"
	strip --strip-all -o "$1/binnacle.stripped" "$1/binnacle"
}

if [ -z "$binary" ]; then
	mkdir -p "$(dirname "$build")"
	build_program "$build"
	binary=$build/binnacle.stripped
fi
[ -f "$binary" ] && [ -x "$binary" ] || wrong "$binary is no program"
version=$("$binary" -version) || wrong "$binary does not start"
version=$(grep -oE '[0-9]+(\.[0-9]+)+' <<<"$version" | head -n 1)
[ -n "$version" ] || wrong "$binary does not say its version"

epoch=${SOURCE_DATE_EPOCH:-$(git -C "$tree" log -1 --format=%ct 2>/dev/null)} ||
	wrong "this is no git clone: say the time of its files in SOURCE_DATE_EPOCH (seconds since 1970)"
revision=$(git -C "$tree" rev-parse HEAD 2>/dev/null) || revision=
if [ -n "$revision" ] && [ -n "$(git -C "$tree" status --porcelain --untracked-files=no)" ]; then
	revision=$revision-modified
fi

exec /usr/bin/python3 "$tree/deploy/image/build.py" --binary "$binary" --output "$output" ${archive:+--archive "$archive"} \
	--name "${name:-localhost/binnacle:$version}" --epoch "$epoch" --version "$version" --revision "$revision" \
	--licence "$tree/LICENSE"
