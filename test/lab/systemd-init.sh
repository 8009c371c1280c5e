#!/bin/sh
# Becomes a machine whose PID 1 is a real systemd: systemd-init.sh DIRECTORY CGROUP. Started in its own cgroup (CGROUP is the
# directory of that) and in namespaces of its own, so that nothing of it reaches this machine, and all of it ends with PID 1.
set -e
mount --make-rprivate /
mount -t tmpfs -o size=256m tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/shm dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
case $2 in
  */systemd/*)
    mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
    ;;
  *) mount -t cgroup2 cgroup2 sys/fs/cgroup ;;
esac
# A target of its own that wants nothing: no service of this machine starts a second time.
printf '[Unit]\nDescription=lab\nDefaultDependencies=no\n' >etc/systemd/system/lab.target
hostname systemd
pivot_root . .
umount -l .
cd /
export container=lab
exec /lib/systemd/systemd --system --unit=lab.target --log-target=null --show-status=0 --default-standard-output=null
