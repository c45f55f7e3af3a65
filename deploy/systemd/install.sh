#!/bin/sh
# Installs the trading daemon as a systemd service, or removes it. It may be run again at any time.
set -eu

usage() {
    cat <<'TEXT'
sudo deploy/systemd/install.sh [--prefix DIR] [--python FILE] [--otlp]
sudo deploy/systemd/install.sh --uninstall [--purge] [--prefix DIR]

  --prefix DIR   프로그램을 둘 곳 / where the program goes (default: /opt/kis-trader)
  --python FILE  쓸 파이썬 3.11+ / the Python to use (default: python3 of the system)
  --otlp         로그를 OTLP 로 보내는 패키지도. 다음 설치에도 남음
                 the packages for log.otlp_endpoint, too; later installations keep them
  --uninstall    서비스와 프로그램을 지움. 설정, 비밀, 장부, 로그는 남김
                 removes services and program; settings, secrets, journals, logs stay
  --purge        --uninstall 과 함께: 그것들도 지움 / with --uninstall: these, too
TEXT
}

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

prefix=/opt/kis-trader
python=/usr/bin/python3
remove= purge= extra=
while [ $# -gt 0 ]; do
    case $1 in
        --prefix) [ $# -gt 1 ] || { usage >&2; exit 2; }; prefix=$2; shift ;;
        --python) [ $# -gt 1 ] || { usage >&2; exit 2; }; python=$2; shift ;;
        --otlp) extra=--extra=otlp ;;
        --uninstall) remove=1 ;;
        --purge) purge=1 ;;
        -h|--help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done
case $prefix in
    /*[!A-Za-z0-9/._-]*|/|/usr|/etc|/var|/home) fail "--prefix $prefix: a folder of its own, please" ;;
    /*) ;;
    *) fail "--prefix $prefix: 절대 경로를 주세요 / give the whole path" ;;
esac
[ "$(id -u)" = 0 ] || fail "root 권한이 필요합니다 / run it as root: sudo $0"
source=$(cd "$(dirname "$0")/../.." && pwd)
units=/etc/systemd/system
settings=/etc/kis-trader
state=/var/lib/kis-trader
logs=/var/log/kis-trader
running() { [ -d /run/systemd/system ]; }

uninstall() {
    if running; then
        systemctl list-units --all --plain --no-legend 'kis-trader*@*.service' |
            while read -r unit _; do systemctl disable --now "$unit" || true; done
    fi
    rm -f "$units/kis-trader@.service" "$units/kis-trader-failure@.service"
    rm -f /etc/sysusers.d/kis-trader.conf
    running && systemctl daemon-reload
    # Only what was put there: whoever keeps strategies of their own there keeps them.
    rm -rf "$prefix/releases" "$prefix/tools"
    rm -f "$prefix/venv" "$prefix/service.md"
    rmdir "$prefix" 2>/dev/null || true
    if [ -n "$purge" ]; then
        rm -rf "$settings" "$state" "$logs" "$units"/kis-trader*@*.d
        say "모두 지웠습니다 / all of it is gone"
    else
        say "지웠습니다. 남은 것 / removed; what stays: $settings $state $logs $prefix"
    fi
}

if [ -n "$remove" ]; then uninstall; exit 0; fi
[ -z "$purge" ] || fail "--purge 는 --uninstall 과 함께 / only with --uninstall"

# Packages once asked for stay: settings may need them.
keep_extra() {
    for each in "$prefix"/venv/lib/python*/site-packages/opentelemetry; do
        [ ! -d "$each" ] || extra=--extra=otlp
    done
}
keep_extra

[ -f "$source/uv.lock" ] || fail "$source: 저장소가 아닙니다 / is no checkout of this program"
command -v systemd-sysusers >/dev/null || fail "systemd 가 없습니다 / there is no systemd here"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "$python: 파이썬 3.11 이상이 필요합니다 / Python 3.11 or later is needed: --python FILE"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "apt-get install python3-venv"
case $("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))') in
    /home/*|/root/*|~root/*) fail "$python: 홈 폴더의 파이썬은 쓸 수 없습니다 / a service sees no home folder" ;;
esac

# The last three releases stay, the current one, and whatever runs: it may load more of itself yet.
# A process shows the libraries of its release by their true path.
prune() {
    ls -1dt "$prefix"/releases/*/ | tail -n +4 | while read -r old; do
        [ ! "$old" -ef "$prefix/venv/.." ] || continue
        ! grep -qsF " $old" /proc/[0-9]*/maps || continue
        rm -rf "$old"
    done
}

# The name of a release is that of its contents: the same again is nothing new.
contents() {
    (cd "$source" && find daemon strategies config ./*.py pyproject.toml uv.lock README.md LICENSE \
        -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; "$python" -V
        printf %s "$extra")
}
release=$(contents | sha256sum | cut -c 1-12)
folder=$prefix/releases/$release
install -d -m 755 "$prefix" "$prefix/releases"
if [ ! -f "$folder/complete" ]; then
    say "설치 중 / installing $folder"
    rm -rf "$folder"
    if ! uv=$(command -v uv) || ! "$uv" --version >/dev/null 2>&1; then
        uv=$prefix/tools/bin/uv
        [ -x "$uv" ] || { "$python" -m venv "$prefix/tools"; "$prefix/tools/bin/pip" -q install uv; }
    fi
    # Versions and hashes of every package are those of uv.lock.
    (cd "$source" && UV_PROJECT_ENVIRONMENT="$folder/venv" UV_PYTHON_DOWNLOADS=never "$uv" sync \
        --quiet --frozen --no-dev --no-editable --link-mode copy --compile-bytecode \
        --python "$python" $extra)
    chmod -R go=u-w "$folder"
    "$folder/venv/bin/kis-auto-trading" --help >/dev/null
    : > "$folder/complete"
fi
# In one step: whoever starts meanwhile gets the one or the other.
ln -sfn "releases/$release/venv" "$prefix/venv.new"
mv -T "$prefix/venv.new" "$prefix/venv"
touch "$folder"
prune
install -m 644 "$source/docs/service.md" "$prefix/service.md"

install -D -m 644 "$source/deploy/systemd/kis-trader.sysusers" /etc/sysusers.d/kis-trader.conf
systemd-sysusers /etc/sysusers.d/kis-trader.conf
for unit in kis-trader@.service kis-trader-failure@.service; do
    sed "s#@PREFIX@#$prefix#g" "$source/deploy/systemd/$unit" > "$units/$unit.new"
    chmod 644 "$units/$unit.new"
    mv -T "$units/$unit.new" "$units/$unit"
done

# Settings and secrets that are there already are left alone; secrets only lose foreign readers.
install -d -m 755 "$settings"
for profile in sim virtual real; do
    if [ ! -e "$settings/$profile.yaml" ]; then
        install -m 640 -g kis-trader "$source/config/$profile.yaml" "$settings/$profile.yaml"
    fi
    if [ "$profile" != sim ]; then
        install -d -m 700 "$settings/$profile.secrets"
        for name in kis_app_key kis_app_secret kis_account kis_hts_id; do
            file=$settings/$profile.secrets/$name
            [ -e "$file" ] || (umask 077; : > "$file")
        done
    fi
done
for file in "$settings"/*.secrets "$settings"/*.secrets/*; do
    [ ! -e "$file" ] || { chown root:root "$file"; chmod go= "$file"; }
done
running && systemctl daemon-reload

cat <<TEXT
설치했습니다 / installed: $prefix/venv ($release)

  시험 / try it:   systemctl start kis-trader@sim && systemctl status kis-trader@sim
  모의투자 / virtual money, real money:
    1. 설정 settings   $settings/virtual.yaml, $settings/real.yaml
    2. 비밀 secrets    $settings/real.secrets/kis_app_key, kis_app_secret, kis_account, kis_hts_id
    3. systemctl enable --now kis-trader@virtual
  로그 / log:      journalctl -u kis-trader@sim -f
  설명서 / manual: $prefix/service.md
TEXT
