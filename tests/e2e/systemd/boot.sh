#!/bin/sh
# Boots a systemd of its own: run under `unshare -m`. Arguments: a scratch folder, the checkout.
# All that is written goes to memory; the installer runs while there is a network still.
set -eu
scratch=$1
checkout=$2
mount --make-rprivate /
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root" "$scratch/out"
mount -t overlay overlay \
    -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/root"
root=$scratch/root

mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
for turn in first second; do
    chroot "$root" "$checkout/deploy/systemd/install.sh" > "$scratch/out/$turn" 2>&1 ||
        { cat "$scratch/out/$turn"; exit 1; }
done
cp "$scratch/out/first" "$root/install.first"
cp "$scratch/out/second" "$root/install.second"
umount -l "$root/proc" "$root/run"
umount -R -l "$root/dev"

# What would reach for the machine itself, or is of no use here.
for unit in systemd-sysctl systemd-modules-load systemd-remount-fs systemd-binfmt \
    systemd-random-seed systemd-udevd systemd-udev-trigger systemd-timesyncd systemd-networkd \
    systemd-resolved systemd-logind systemd-pcrphase systemd-firstboot; do
    ln -sfn /dev/null "$root/etc/systemd/system/$unit.service"
done
for unit in dev-hugepages sys-fs-fuse-connections sys-kernel-debug sys-kernel-tracing \
    sys-kernel-config; do
    ln -sfn /dev/null "$root/etc/systemd/system/$unit.mount"
done
cat > "$root/etc/systemd/system/small.target" <<UNIT
[Unit]
Wants=systemd-journald.service dbus.service
AllowIsolate=yes
UNIT

cat > "$scratch/inner.sh" <<'INNER'
#!/bin/sh
set -eu
cd "$1/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
    touch "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for number in 0:stdin 1:stdout 2:stderr; do
    ln -s "/proc/self/fd/${number%:*}" "dev/${number#*:}"
done
mount -t cgroup2 cgroup2 sys/fs/cgroup
ip link set lo up
mkdir -p old
pivot_root . old
cd /
# Without this no service gets its credentials.
mount --make-rshared /
umount -l /old
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    container=private /lib/systemd/systemd --system --unit=small.target
INNER
chmod +x "$scratch/inner.sh"
exec unshare -p -n -u -i -C -f --kill-child "$scratch/inner.sh" "$scratch"
