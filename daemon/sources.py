"""Where settings come from: files, credentials, environment, command line; later ones win.

Collects values with their origins, and every fault it meets. It does not know what they mean.
"""

import difflib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import yaml

SECRET_SETTINGS = ("app_key", "app_secret", "account", "hts_id")
_MORE, _MORE_KEY = "more_accounts", "kis_more_accounts"
_SECRET_FILE_KEYS = {f"kis_{name}": name for name in SECRET_SETTINGS}
_WORLDS = ("real", "virtual")
_DEVLP_KEYS: dict[str, dict[str, tuple[str, ...]]] = {
    "real": {
        "app_key": ("my_app",),
        "app_secret": ("my_sec",),
        "stock": ("my_acct_stock",),
    },
    "virtual": {
        "app_key": ("my_paper_app", "paper_app"),
        "app_secret": ("my_paper_sec", "paper_sec"),
        "stock": ("my_paper_stock",),
    },
}
# Read elsewhere, or by the launchers: not settings of their own.
_KNOWN_VARIABLES = frozenset({"KIS_DEVLP_YAML"})
FLAGS = {
    "data_dir": "--data-dir",
    "markets": "--markets",
    "on_stop": "--on-stop",
    "strategies": "--strategies",
    "sim.seed": "--seed",
    "sim.start": "--sim-start",
    "sim.speed": "--sim-speed",
    "log.level": "--log-level",
    "log.format": "--log-format",
}


class Fault(NamedTuple):
    """One wrong setting: its name, where it came from, what is wrong, how to put it right."""

    setting: str
    source: str
    problem: str
    fix: str


MISSING = {
    fault.setting: fault
    for fault in (
        Fault(
            "app_key",
            "not given",
            "앱키가 없습니다 / the app key is missing",
            "set KIS_APP_KEY, or key.kis_app_key in config/secrets.yaml",
        ),
        Fault(
            "app_secret",
            "not given",
            "앱 시크릿이 없습니다 / the app secret is missing",
            "set KIS_APP_SECRET, or key.kis_app_secret in config/secrets.yaml",
        ),
        Fault(
            "account",
            "not given",
            "계좌번호가 없습니다 / the account number is missing",
            "set KIS_ACCOUNT=12345678-01, or key.kis_account in config/secrets.yaml",
        ),
        Fault(
            "hts_id",
            "not given",
            "HTS ID가 없습니다 (체결 통보에 필요) / the HTS id is missing (for order notices)",
            "set KIS_HTS_ID, or key.kis_hts_id in config/secrets.yaml",
        ),
        Fault(
            "risk",
            "not given",
            "위험 한도를 직접 정해야 합니다 / risk limits must be chosen by you",
            "write the `risk:` section of config/real.yaml",
        ),
        Fault(
            "armed",
            "not given",
            "실전 매매가 허가되지 않았습니다 / real trading is not armed",
            "set KIS_ARMED=true, or `armed: true` in config/real.yaml, when you mean it",
        ),
    )
}
"""The faults of what real trading needs and nobody gave."""

LIMIT_NOT_CHOSEN = Fault(
    "risk",
    "default",
    "실전에서는 이 한도를 직접 정해야 합니다 / real trading wants this limit chosen by you",
    "write it in the `risk:` section of config/real.yaml (docs/risk.md)",
)


class _Loader(yaml.SafeLoader):
    """YAML without numbers: `000660` stays a code and `0.1` an exact decimal, as written."""


_KEPT_TAGS = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in _KEPT_TAGS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _unique_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[object] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is given twice", key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def parse_yaml(text: str) -> object:
    """YAML or JSON text as mappings, lists, strings, booleans and `None`; raises `YAMLError`."""
    return yaml.load(text, _Loader)  # noqa: S506  a SafeLoader with fewer types


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known ones."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known here: {', '.join(names)}"


class Layers:
    """Settings as they pile up. `values` is nested; `origins` maps dotted names to sources."""

    def __init__(self, *, root: Path, environ: Mapping[str, str], world: str) -> None:
        self.root = root
        self.environ = environ
        self.world = world
        self.values: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.faults: list[Fault] = []
        self.warnings: list[str] = []

    def put(self, setting: str, value: object, source: str) -> None:
        """Set one dotted setting: a mapping is merged into what is there, all else replaces it."""
        if isinstance(value, Mapping) and not setting.endswith("parameters"):
            for key, inner in value.items():
                self.put(f"{setting}.{key}", inner, source)
            return
        *parents, last = setting.split(".")
        place = self.values
        for parent in parents:
            inner = place.get(parent)
            if not isinstance(inner, dict):
                inner = place[parent] = {}
            place = inner
        place[last] = value
        self.origins[setting] = source

    def source_of(self, setting: str) -> str:
        """Where a dotted setting, or the nearest thing around it, came from."""
        parts = setting.split(".")
        for length in range(len(parts), 0, -1):
            found = self.origins.get(".".join(parts[:length]))
            if found:
                return found
        inside = [origin for name, origin in self.origins.items() if name.startswith(setting + ".")]
        return inside[0] if inside else "default"

    def shown(self, path: Path) -> str:
        """A path as a person would type it."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    def fault(self, setting: str, source: str, problem: str, fix: str) -> None:
        """Note one more thing that is wrong."""
        self.faults.append(Fault(setting, source, problem, fix))

    def items(self, setting: str) -> list[dict[str, Any]]:
        """The mappings a setting lists; in the place of anything else, an empty one."""
        found = self.values.get(setting)
        listed = found if isinstance(found, list | tuple) else ()
        return [each if isinstance(each, dict) else {} for each in listed]

    def folder(self, setting: str) -> Path:
        """A setting that is a path; `~` is a home, and what is relative is below the root."""
        text = str(self.values[setting])
        try:
            return self.root / Path(text).expanduser()
        except RuntimeError as error:
            self.fault(setting, self.source_of(setting), str(error), "write the whole path")
            return self.root / text

    def read_mapping(self, path: Path, *, private: bool = False) -> dict[str, Any]:
        """A YAML file's mapping; empty, with a fault noted, when it cannot be used."""
        source = self.shown(path)
        if private and path.stat().st_mode & 0o077:
            self.fault(
                source,
                source,
                "others on this machine can read this secret file / "
                "다른 사용자가 읽을 수 있는 비밀 파일입니다",
                f"chmod 600 {source}",
            )
            return {}
        try:
            return self.mapping_of(path.read_text(encoding="utf-8"), source)
        except (OSError, UnicodeDecodeError) as error:
            self.fault(source, source, f"cannot be read: {error}", "check the file")
            return {}

    def mapping_of(self, text: str, source: str) -> dict[str, Any]:
        """The mapping a YAML text holds; empty, with a fault noted, when it is none."""
        try:
            content = parse_yaml(text)
        except yaml.MarkedYAMLError as error:
            # The text around the mistake may hold a secret: only its place is told.
            mark = error.problem_mark
            where = f"line {mark.line + 1}" if mark else "unknown line"
            self.fault(source, source, f"is not valid YAML ({where})", f"correct {where}")
            return {}
        except RecursionError:
            self.fault(source, source, "is nested too deeply", "correct the file")
            return {}
        except (yaml.YAMLError, ValueError, TypeError):
            self.fault(source, source, "is not valid YAML", "correct the file")
            return {}
        if content is None:
            return {}
        if not isinstance(content, dict):
            self.fault(source, source, "must hold `name: value` lines", "see config/sim.yaml")
            return {}
        return {str(key): value for key, value in content.items()}

    def add_settings_file(self, name: str, *, required: bool = True) -> None:
        """Layer `config/<name>.yaml` of the checkout, or the copy that was installed."""
        path = self.root / "config" / f"{name}.yaml"
        if path.is_file():
            self.add_settings(self.read_mapping(path), self.shown(path))
            return
        packaged = resources.files("daemon") / "defaults" / f"{name}.yaml"
        if packaged.is_file():
            source = f"daemon/defaults/{name}.yaml"
            self.add_settings(self.mapping_of(packaged.read_text("utf-8"), source), source)
        elif required:
            self.fault("config", self.shown(path), "is missing", f"restore {self.shown(path)}")

    def add_settings(self, content: Mapping[str, Any], source: str) -> None:
        """Layer the settings of a file; secrets are refused there."""
        for key, value in content.items():
            if key in (*SECRET_SETTINGS, *_SECRET_FILE_KEYS, _MORE):
                self.fault(key, source, "is a secret", "move it to config/secrets.yaml")
            elif value is None:
                continue
            else:
                self.put(key, value, source)

    def add_devlp(self) -> None:
        """Layer the broker's own `kis_devlp.yaml`, where one is found."""
        named = self.environ.get("KIS_DEVLP_YAML", "")
        home = self.environ.get("HOME", "")
        places = [self.root / "config" / "kis_devlp.yaml"]
        places += [Path(home) / "KIS" / "config" / "kis_devlp.yaml"] if home else []
        if named:
            places = [self.root / Path(named).expanduser()]
            if not places[0].is_file():
                self.fault("KIS_DEVLP_YAML", named, "is not a file", "correct or unset it")
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            return
        content, source = self.read_mapping(path, private=True), self.shown(path)
        keys = _DEVLP_KEYS[self.world]
        for setting in ("app_key", "app_secret"):
            self._put_secret(setting, _first(content, keys[setting]), source)
        stock, product = _first(content, keys["stock"]), _first(content, ("my_prod",)) or "01"
        self._put_secret("account", f"{stock}-{product}" if stock.isdigit() else stock, source)
        self._put_secret("hts_id", _first(content, ("my_htsid",)), source)

    def add_secrets_file(self) -> None:
        """Layer `config/secrets.yaml`: `key:`, then its part for this world."""
        path = self.root / "config" / "secrets.yaml"
        if not path.is_file():
            if path.exists() or path.is_symlink():
                name = self.shown(path)
                self.fault(name, name, "is not a file", "make it a file, or remove it")
            return
        content, source = self.read_mapping(path, private=True), self.shown(path)
        self._check_names(content, ("key", *_WORLDS), "", source)
        shared = content.get("key")
        sections: list[tuple[str, Any]] = [("key", shared)]
        if isinstance(shared, dict):
            sections.append((f"key.{self.world}", shared.get(self.world)))
        sections.append((self.world, content.get(self.world)))
        for name, section in sections:
            if section is None:
                continue
            if not isinstance(section, dict):
                self.fault(name, source, "must hold kis_app_key and so on", "see secrets.example")
                continue
            inner = _WORLDS if name == "key" else ()
            self._check_names(section, (*_SECRET_FILE_KEYS, _MORE_KEY, *inner), f"{name}.", source)
            self._add_more(name, section.get(_MORE_KEY), source)
            for key, setting in _SECRET_FILE_KEYS.items():
                if isinstance(section.get(key), list | dict | bool):
                    fix = f"write {key} as text, in quotes"
                    self.fault(f"{name}.{key}", source, "must be text", fix)
                else:
                    self._put_secret(setting, _first(section, (key,)), source)

    def _add_more(self, name: str, listed: object, source: str) -> None:
        """Layer the further accounts of a section: a list of what the main one is told by."""
        if listed is None:
            return
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            fix = "write a list of `- kis_account: …`"
            self.fault(f"{name}.{_MORE_KEY}", source, "must be a list of accounts", fix)
            return
        known = {key: setting for key, setting in _SECRET_FILE_KEYS.items() if setting != "hts_id"}
        accounts = []
        for number, each in enumerate(listed):
            self._check_names(each, known, f"{name}.{_MORE_KEY}.{number}.", source)
            told = {setting: _first(each, (key,)) for key, setting in known.items()}
            accounts.append({setting: text for setting, text in told.items() if text.isascii()})
        # A template's Korean placeholders count as not given, as they do for the main account.
        kept = [{key: text for key, text in each.items() if text} for each in accounts]
        self.put(_MORE, [each for each in kept if each], source)

    def add_credentials(self) -> None:
        """Layer the files systemd hands a service in `$CREDENTIALS_DIRECTORY`."""
        folder = self.environ.get("CREDENTIALS_DIRECTORY", "")
        for name, setting in _SECRET_FILE_KEYS.items():
            path = Path(folder) / name
            if not folder or not path.is_file():
                continue
            try:
                if _is_exposed(path):
                    problem = (
                        "others on this machine can read this secret / 다른 사용자가 읽을 수 있음"
                    )
                    fix = f"chmod 400 {path}, or let systemd's LoadCredential make it"
                    self.fault(setting, str(path), problem, fix)
                    continue
                self._put_secret(setting, path.read_text("utf-8").strip(), str(path))
            except (OSError, UnicodeDecodeError):
                self.fault(setting, str(path), "cannot be read", "check LoadCredential")

    def add_environment(self, settings: Iterable[str], *, secrets: bool) -> None:
        """Layer `KIS_<SETTING>`; a dot in a setting's name is `_` or `__` in the variable's."""
        folder = self.environ.get("STATE_DIRECTORY", "").split(":")[0]
        if folder:
            self.put("data_dir", folder, "$STATE_DIRECTORY")
        known = set(_KNOWN_VARIABLES)
        for setting in settings:
            names = [setting.replace(".", joint).upper() for joint in ("_", "__")]
            for variable in dict.fromkeys(f"KIS_{name}" for name in names):
                known.add(variable)
                value = self.environ.get(variable, "")
                if value and setting in SECRET_SETTINGS:
                    if secrets:
                        self._put_secret(setting, value, f"${variable}")
                elif setting == _MORE and not secrets:
                    continue
                elif value and (read := self._structured(value, variable)) is not None:
                    self.put(setting, read, f"${variable}")
        for variable in sorted(set(self.environ) - known):
            if variable.startswith("KIS_"):
                self.warnings.append(f"${variable} is not a setting{did_you_mean(variable, known)}")

    def add_command_line(self, overrides: Mapping[str, object]) -> None:
        """Layer what was typed; keys are dotted settings."""
        for setting, value in overrides.items():
            if value is not None:
                self.put(setting, value, FLAGS.get(setting, "command line"))

    def _structured(self, value: str, variable: str) -> object:
        if not value.startswith(("[", "{")):
            return value
        try:
            return parse_yaml(value)
        except RecursionError:
            self.fault(variable, f"${variable}", "is nested too deeply", "correct the variable")
        except (yaml.YAMLError, ValueError, TypeError):
            self.fault(variable, f"${variable}", "is not valid JSON", "correct the variable")
        return None

    def _put_secret(self, setting: str, value: str, source: str) -> None:
        """Set a secret; an empty one or a template's Korean placeholder counts as not given."""
        if value and value.isascii():
            self.put(setting, value, source)

    def _check_names(
        self, section: Mapping[str, Any], known: Iterable[str], prefix: str, source: str
    ) -> None:
        allowed = tuple(known)
        for key in map(str, section):
            if key not in allowed:
                hint = did_you_mean(key, allowed)
                self.fault(f"{prefix}{key}", source, f"unknown name{hint}", "rename or remove it")


def _is_exposed(path: Path) -> bool:
    """Whether others can read a credential.

    Where systemd (254 and later, on a kernel with tmpfs `noswap`) gives a file of root to its
    service by an access control list, the bits of the group are that list's mask, and its group is
    root's own.
    """
    status = path.stat()
    mask_of_list = status.st_uid == status.st_gid == 0
    return bool(status.st_mode & (0o007 if mask_of_list else 0o077))


def _first(content: Mapping[str, Any], keys: Iterable[str]) -> str:
    for key in keys:
        value = content.get(key)
        if value is not None and not isinstance(value, dict | list):
            return str(value).strip()
    return ""


def state_home(environ: Mapping[str, str], data_dir: Path) -> Path:
    """Where processes of this user meet, whatever checkout they run from.

    A systemd service meets in its own state directory, because its home may be out of reach.
    """
    if environ.get("XDG_STATE_HOME"):
        return Path(environ["XDG_STATE_HOME"])
    if environ.get("STATE_DIRECTORY"):
        return Path(environ["STATE_DIRECTORY"].split(":")[0])
    return Path(environ["HOME"]) / ".local" / "state" if environ.get("HOME") else data_dir
