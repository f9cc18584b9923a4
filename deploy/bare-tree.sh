#!/usr/bin/env bash
# Try this checkout on a bare Debian: make a tree with python3, git and make only, clone into it, run a command.
#
#   deploy/bare-tree.sh bookworm FOLDER make run          (as root; FOLDER outside the checkout)
#   deploy/bare-tree.sh --user tester trixie FOLDER make test
#   deploy/bare-tree.sh --fresh trixie FOLDER make run    (as if just installed: changes of earlier runs are dropped)
#
# The resolver, the certificates and pip's settings of this machine go in, since a bare machine would have its own.
# The tree has mounts and processes of its own, which end with the command, whatever becomes of it.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd)
user=root
fresh=no
while [[ ${1:-} == --* ]]; do
    case $1 in
        --user) user=$2; shift 2 ;;
        --fresh) fresh=yes; shift ;;
        *) echo "unknown option $1" >&2; exit 2 ;;
    esac
done
if [ "$#" -lt 3 ] || [ "$(id -u)" != 0 ]; then
    echo "as root: deploy/bare-tree.sh [--user NAME] [--fresh] SUITE FOLDER COMMAND..." >&2
    exit 2
fi
suite=$1
folder=$(realpath -m "$2")
shift 2
archive=$folder/$suite.tar
tree=$folder/$suite
case $folder/ in "$checkout"/*) echo "FOLDER must lie outside the checkout" >&2; exit 2 ;; esac

mkdir -p "$folder"
if [ ! -e "$archive" ]; then
    echo "Making a bare $suite tree (about 100 s) ..." >&2
    rm -rf "$tree.new"
    debootstrap --variant=minbase --include=python3,git,make "$suite" "$tree.new" >"$folder/$suite.log" 2>&1 \
        || { echo "debootstrap failed: see $folder/$suite.log" >&2; exit 1; }
    tar -C "$tree.new" -cf "$archive.new" .
    rm -rf "$tree.new"
    mv "$archive.new" "$archive"
fi
if [ "$fresh" = yes ]; then rm -rf --one-file-system "$tree"; fi
if [ ! -d "$tree" ]; then
    mkdir "$tree"
    tar -C "$tree" -xf "$archive"
fi

# --- what the machine around it would have ------------------------------------------------------------------------
cp --remove-destination "$(realpath /etc/resolv.conf)" "$tree/etc/resolv.conf"
echo "127.0.0.1 localhost" >"$tree/etc/hosts"
if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
    mkdir -p "$tree/etc/ssl/certs"
    cp /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/"
fi
if [ -d /usr/local/share/ca-certificates ]; then
    mkdir -p "$tree/usr/local/share/ca-certificates"
    cp -R /usr/local/share/ca-certificates/. "$tree/usr/local/share/ca-certificates/"
fi
if [ -e /etc/pip.conf ]; then cp /etc/pip.conf "$tree/etc/pip.conf"; fi
if [ "$user" != root ] && ! chroot "$tree" id "$user" >/dev/null 2>&1; then chroot "$tree" useradd --create-home "$user"; fi

# --- the checkout as it is committed ------------------------------------------------------------------------------
home=$(chroot "$tree" getent passwd "$user" | cut -d: -f6)
clone=$tree$home/forewarn
commit=$(git -C "$checkout" rev-parse HEAD)
if [ ! -d "$clone/.git" ]; then git clone -q --no-hardlinks "$checkout" "$clone"; fi
git -C "$clone" -c safe.directory="$clone" fetch -q "$checkout" HEAD
git -C "$clone" -c safe.directory="$clone" checkout -q -f --detach "$commit"
chroot "$tree" chown -R "$user:" "$home/forewarn"

export TREE=$tree
exec unshare --mount --pid --fork --kill-child -- bash -c '
    set -e
    mount --make-rprivate /
    mount -t proc proc "$TREE/proc"
    mount --rbind /dev "$TREE/dev"
    mount -t tmpfs -o mode=1777 tmpfs "$TREE/tmp"
    user=$1 home=$2
    shift 2
    enter=(chroot)
    [ "$user" = root ] || enter+=("--userspec=$user")
    exec "${enter[@]}" "$TREE" /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin \
        HOME="$home" USER="$user" TERM="${TERM:-dumb}" LANG=C.UTF-8 \
        bash -c "cd ~/forewarn; \"\$@\"; exit" bash "$@"
' bash "$user" "$home" "$@"
