#!/usr/bin/env bash
# Takes PostgreSQL from Debian's packages, without installing them: nothing is started, and nothing on the machine changes.
#
#   hack/postgres/fetch.sh FOLDER       makes FOLDER, with bin/initdb and bin/postgres in it
#
# TOWPATH_POSTGRES=<folder> has tests use the initdb and postgres in <folder>.
set -euo pipefail

folder=$1
for tool in apt-get apt-cache dpkg-deb; do
  command -v "$tool" >/dev/null || { echo "$tool is not here: set TOWPATH_POSTGRES to a folder with initdb and postgres, 13 or later" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The sandbox user of apt must be able to write there.
chmod 777 "$work"
cd "$work"
sudo=()
[[ $(id -u) == 0 ]] || sudo=(sudo)
server() { apt-cache depends postgresql 2>/dev/null | sed -n 's/^ *Depends: \(postgresql-[0-9]*\)$/\1/p'; }
[[ -n $(server) ]] || "${sudo[@]}" apt-get update -qq
name=$(server)
[[ -n $name ]] || { echo "Debian's package postgresql depends on no server" >&2; exit 1; }

# The libraries that it is linked with, and those they are, as far as a small image may lack them. LLVM is for queries that
# take long, and is loaded only for these.
packages=("$name")
mapfile -t libraries < <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$name" \
  | grep -E '^lib(pq5|icu[0-9]+|xml2|xslt1\.1|ldap-2\.[0-9]+-0|ldap2|sasl2-2|lz4-1|zstd1|ssl3|ssl3t64|gssapi-krb5-2|krb5-3|krb5support0|k5crypto3|com-err2|keyutils1|systemd0|uuid1|readline8)$' | sort -u)
packages+=("${libraries[@]}")
if ! apt-get download -qq "${packages[@]}" 2>/dev/null; then
  "${sudo[@]}" apt-get update -qq
  apt-get download -qq "${packages[@]}"
fi
for package in *.deb; do
  dpkg-deb -x "$package" tree
done

version=${name#postgresql-}
rm -rf "$folder.new" "$folder"
mkdir -p "$folder.new/bin"
mv tree "$folder.new/tree"
# It finds what it needs by its own path.
for program in initdb postgres; do
  cat >"$folder.new/bin/$program" <<WRAPPER
#!/bin/sh
tree=\$(cd "\$(dirname "\$0")/../tree" && pwd)
LD_LIBRARY_PATH=\$(echo "\$tree"/usr/lib/*-linux-gnu*)\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
exec "\$tree/usr/lib/postgresql/$version/bin/$program" "\$@"
WRAPPER
  chmod 755 "$folder.new/bin/$program"
done
mv "$folder.new" "$folder"
"$folder/bin/postgres" --version
