"""The service types that an organisation begins with; it changes, adds and switches them off as it likes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ticketing.cases.workflow import CHILD_KINDS

_Stage = tuple[str, str, str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Seed:
    """A service type with its first version."""

    code: str
    category: str
    name: tuple[str, str]  # English, Chinese
    about: tuple[str, str]
    form: dict[str, Any]
    workflow: dict[str, Any]
    priority: str = "normal"
    duration_minutes: int | None = None
    settlement_rule: str | None = None
    public: bool = True
    skills: list[dict[str, Any]] = field(default_factory=list)


def _field(kind: str, en: str, zh: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "title_en": en, "title_zh": zh, **more}


def _text(en: str, zh: str, most: int = 1000, *, lines: bool = False, **more: Any) -> dict[str, Any]:
    return _field("string", en, zh, maxLength=most, **({"multiline": True} if lines else {}), **more)


def _day(en: str, zh: str) -> dict[str, Any]:
    return _field("string", en, zh, format="date")


def _choice(en: str, zh: str, /, **options: tuple[str, str]) -> dict[str, Any]:
    return _field(
        "string",
        en,
        zh,
        enum=list(options),
        enum_en=[each[0] for each in options.values()],
        enum_zh=[each[1] for each in options.values()],
    )


def _form(required: tuple[str, ...] = (), /, **fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
    }


def _stages(*stages: _Stage) -> dict[str, Any]:
    """Stages one after the other; `next` in the last part names others."""
    made = []
    for index, (code, en, zh, more) in enumerate(stages):
        following = [stages[index + 1][0]] if index + 1 < len(stages) else []
        made.append({"code": code, "name_en": en, "name_zh": zh, "next": following, **more})
    return {"stages": made}


_RECEIVED: _Stage = ("received", "Received", "已受理", {})
_ANSWERED: _Stage = ("answered", "Answered", "已答复", {})
_DONE: _Stage = ("done", "Done", "已完成", {})


def _on_site(*before: _Stage) -> dict[str, Any]:
    work = ("on_site", "Work on site", "现场服务", {"children": list(CHILD_KINDS)})
    return _stages(_RECEIVED, *before, work, ("confirmed", "Confirmed by the customer", "客户确认", {}))


SEEDS: tuple[Seed, ...] = (
    Seed(
        "consultation",
        "advice",
        ("Consultation", "咨询"),
        ("A question about use, operation or maintenance.", "关于使用、操作或保养的问题。"),
        _form(
            ("subject",),
            subject=_text("What is it about?", "咨询内容", lines=True),
            answer_by=_choice(
                "How may we answer?",
                "答复方式",
                phone=("By phone", "电话"),
                message=("By message", "消息"),
                e_mail=("By e-mail", "电子邮件"),
            ),
        ),
        _stages(_RECEIVED, ("answering", "Being answered", "答复中", {"children": ["remote_diagnosis"]}), _ANSWERED),
        priority="low",
        duration_minutes=20,
        settlement_rule="none",
    ),
    Seed(
        "complaint",
        "advice",
        ("Complaint", "投诉"),
        ("Something about our product or service was not as it should be.", "对产品或服务的不满。"),
        _form(
            ("about", "wish"),
            about=_choice(
                "What is it about?",
                "投诉对象",
                product=("The product", "产品"),
                service=("The service", "服务"),
                delivery=("The delivery", "交付"),
                invoice=("The invoice", "账单"),
            ),
            happened_on=_day("When did it happen?", "发生日期"),
            wish=_text("What would put it right?", "期望的处理结果", lines=True),
        ),
        _stages(
            _RECEIVED,
            (
                "examined",
                "Being examined",
                "调查中",
                {"children": ["quality_analysis", "remote_diagnosis", "work_order"]},
            ),
            ("proposed", "Solution proposed", "方案待审批", {"approval": True, "public": False}),
            ("settled", "Settled", "已处理", {}),
        ),
        priority="high",
        duration_minutes=60,
        settlement_rule="none",
    ),
    Seed(
        "installation",
        "on_site",
        ("Installation", "安装"),
        ("Set up a machine where it will work.", "在使用地点安装设备。"),
        _form(
            ("ready_on",),
            ready_on=_day("When is the place ready?", "场地就绪日期"),
            power=_choice(
                "Power supply",
                "供电",
                ready=("Ready", "已就绪"),
                missing=("Not yet", "未就绪"),
                unknown=("Not known", "不清楚"),
            ),
            lifting=_field("boolean", "Is there a crane or fork lift?", "现场有吊装或叉车设备"),
            access=_text("How does one get in?", "进场说明", lines=True),
        ),
        _on_site(("survey_checked", "Place checked", "场地已核实", {})),
        duration_minutes=240,
        settlement_rule="piece_rate",
    ),
    Seed(
        "commissioning",
        "on_site",
        ("Commissioning", "调试"),
        ("Put an installed machine into service.", "将已安装的设备投入运行。"),
        _form(
            ("installed_on",),
            installed_on=_day("Installed on", "安装完成日期"),
            media=_field(
                "array",
                "What is connected?",
                "已接通",
                items={
                    "type": "string",
                    "enum": ["power", "water", "air", "network"],
                    "enum_en": ["Power", "Water", "Compressed air", "Network"],
                    "enum_zh": ["电", "水", "压缩空气", "网络"],
                },
                uniqueItems=True,
            ),
        ),
        _on_site(),
        duration_minutes=180,
        settlement_rule="piece_rate",
    ),
    Seed(
        "training",
        "on_site",
        ("Training", "培训"),
        ("Show people how to work with the machine.", "培训设备使用人员。"),
        _form(
            ("people", "topic"),
            people=_field("integer", "How many people?", "培训人数", minimum=1, maximum=200),
            topic=_text("What about?", "培训内容", lines=True),
            language=_choice("In which language?", "授课语言", zh=("Chinese", "中文"), en=("English", "英文")),
            wished_on=_day("Wished day", "期望日期"),
        ),
        _on_site(("agreed", "Day agreed", "日期已约定", {})),
        priority="low",
        duration_minutes=180,
        settlement_rule="hourly",
    ),
    Seed(
        "urgent_repair",
        "on_site",
        ("Urgent repair", "紧急报修"),
        ("The machine has stopped or may not run on.", "设备停机或无法继续运行。"),
        _form(
            ("stopped",),
            stopped=_field("boolean", "Has the machine stopped?", "设备已停机"),
            since=_text("Since when?", "何时开始", 200),
            seen=_text("What do you see, hear or smell?", "现象（看到、听到、闻到）", lines=True),
            danger=_field("boolean", "Is anybody in danger?", "有人身危险"),
            error_code=_text("Error code on the display", "显示屏故障代码", 60),
        ),
        _stages(
            _RECEIVED,
            (
                "remote",
                "Looked at from afar",
                "远程诊断",
                {"next": ["on_site", "done"], "children": ["remote_diagnosis"]},
            ),
            ("on_site", "Work on site", "现场维修", {"children": list(CHILD_KINDS)}),
            _DONE,
        ),
        priority="urgent",
        duration_minutes=120,
        settlement_rule="hourly",
    ),
    Seed(
        "maintenance",
        "on_site",
        ("Maintenance", "保养"),
        ("Planned care so that nothing breaks.", "计划性保养。"),
        _form(
            (),
            wished_on=_day("Wished day", "期望日期"),
            hours=_field("integer", "Running hours on the counter", "运行小时数", minimum=0, maximum=1_000_000),
            stop_allowed=_field("boolean", "May the machine be stopped?", "允许停机"),
        ),
        _on_site(),
        duration_minutes=120,
        settlement_rule="package",
    ),
    Seed(
        "inspection_round",
        "on_site",
        ("Inspection round", "巡检"),
        ("Look at all machines of a place.", "对站点全部设备进行巡检。"),
        _form(
            (),
            machines=_field("integer", "How many machines?", "设备数量", minimum=1, maximum=1000),
            attention=_text("What should we look at?", "重点关注", lines=True),
        ),
        _on_site(),
        priority="low",
        duration_minutes=180,
        settlement_rule="package",
    ),
    Seed(
        "return_exchange",
        "goods",
        ("Return and exchange", "退换货"),
        ("Give a part or machine back, or get another one for it.", "退回或更换零件、设备。"),
        _form(
            ("wish", "reason"),
            wish=_choice(
                "What would you like?", "诉求", **{"return": ("Return", "退货")}, exchange=("Exchange", "换货")
            ),
            part_number=_text("Part number", "零件号", 100),
            quantity=_field("integer", "How many?", "数量", minimum=1, maximum=10_000),
            reason=_text("Why?", "原因", lines=True),
            bought_on=_day("Bought on", "购买日期"),
        ),
        _stages(
            _RECEIVED,
            ("examined", "Being examined", "鉴定中", {"children": ["quality_analysis"]}),
            ("approval", "Waits for approval", "待审批", {"approval": True, "public": False}),
            ("shipping", "On its way", "发运中", {"children": ["shipment"]}),
            _DONE,
        ),
        duration_minutes=30,
        settlement_rule="none",
    ),
    Seed(
        "delivery",
        "goods",
        ("Delivery", "送货"),
        ("Bring a machine or parts.", "配送设备或零件。"),
        _form(
            ("address",),
            address=_text("Where to?", "送货地址", 500, lines=True),
            wished_on=_day("Wished day", "期望日期"),
            unloading=_choice(
                "Who unloads?",
                "卸货方式",
                us=("You", "由贵方"),
                customer=("We", "由我方"),
                crane=("A crane is needed", "需吊车"),
            ),
        ),
        _stages(
            _RECEIVED, ("shipping", "On its way", "配送中", {"children": ["shipment", "work_order", "visit"]}), _DONE
        ),
        duration_minutes=60,
        settlement_rule="piece_rate",
    ),
    Seed(
        "survey",
        "on_site",
        ("Site survey", "勘察"),
        ("Look at a place before something is planned there.", "项目前的现场勘察。"),
        _form(
            ("purpose",),
            purpose=_text("What is planned?", "计划用途", lines=True),
            address=_text("Where?", "勘察地址", 500),
            area_m2=_field("number", "Area in square metres", "面积（平方米）", minimum=0, maximum=1_000_000),
        ),
        _stages(
            _RECEIVED,
            ("on_site", "On site", "现场勘察", {"children": ["work_order", "visit"]}),
            ("reported", "Report given", "报告已提交", {}),
        ),
        priority="low",
        duration_minutes=120,
        settlement_rule="piece_rate",
    ),
)
