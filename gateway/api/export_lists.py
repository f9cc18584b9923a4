"""The lists that are only written out: what is in each, and who may have it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that is only written out. `columns`: (English, Chinese) heading for each column of the statement."""

    name: str
    en: str
    zh: str
    action: str
    columns: tuple[tuple[str, str], ...]
    statement: str


LISTINGS: dict[str, Listing] = {
    each.name: each
    for each in (
        Listing(
            "devices",
            "Devices",
            "终端",
            "device.read",
            (("Serial number", "序列号"), ("Presence", "在线状态"), ("Last seen", "最近在线")),
            "SELECT serial, presence, last_seen_at FROM devices ORDER BY serial, id",
        ),
        Listing(
            "work_orders",
            "Work orders",
            "工单",
            "work_order.read",
            (
                ("Number", "编号"),
                ("Asset serial", "设备序列号"),
                ("Asset", "设备"),
                ("Origin", "来源"),
                ("Kind", "类型"),
                ("Priority", "优先级"),
                ("State", "状态"),
                ("Opened", "创建时间"),
                ("Closed", "关闭时间"),
                ("Outcome", "结果"),
                ("Repair code", "维修代码"),
            ),
            "SELECT w.number, a.serial, a.name, w.origin, w.kind, w.priority, w.state, w.opened_at, w.closed_at,"
            " w.outcome, w.repair_code FROM work_orders w LEFT JOIN assets a ON a.id = w.asset_id"
            " ORDER BY w.opened_at DESC, w.id",
        ),
        Listing(
            "requests",
            "Requests",
            "报修",
            "request.read",
            (
                ("Number", "编号"),
                ("Asset serial", "设备序列号"),
                ("Channel", "渠道"),
                ("Text", "内容"),
                ("State", "状态"),
                ("Created", "创建时间"),
                ("Decided", "受理时间"),
                ("Work order", "工单"),
            ),
            "SELECT r.number, a.serial, r.channel, r.text, r.state, r.created_at, r.decided_at, w.number"
            " FROM requests r LEFT JOIN assets a ON a.id = r.asset_id LEFT JOIN work_orders w"
            " ON w.id = r.work_order_id ORDER BY r.created_at DESC, r.id",
        ),
        Listing(
            "findings",
            "Findings",
            "发现",
            "finding.read",
            (
                ("Asset serial", "设备序列号"),
                ("Detector", "检测器"),
                ("Signature", "特征"),
                ("Severity", "严重程度"),
                ("First", "开始"),
                ("Last", "最近"),
                ("Cleared", "消除"),
            ),
            "SELECT a.serial, f.detector, f.signature, f.severity, f.first_at, f.last_at, f.cleared_at FROM findings f"
            " LEFT JOIN assets a ON a.id = f.asset_id ORDER BY f.first_at DESC, f.id",
        ),
        Listing(
            "warranty_cards",
            "Warranty cards",
            "电子保卡",
            "warranty.read",
            (
                ("Number", "编号"),
                ("Asset serial", "设备序列号"),
                ("Customer", "客户"),
                ("State", "状态"),
                ("Starts on", "起保日期"),
                ("Ends on", "到期日期"),
                ("Purchased on", "购买日期"),
            ),
            "SELECT w.number, a.serial, c.name, w.state, w.starts_on, w.ends_on, w.purchased_on FROM warranty_cards w"
            " LEFT JOIN assets a ON a.id = w.asset_id LEFT JOIN customers c ON c.id = w.customer_id ORDER BY w.id",
        ),
        Listing(
            "contracts",
            "Contracts",
            "服务合同",
            "contract.read",
            (
                ("Number", "编号"),
                ("Name", "名称"),
                ("Customer", "客户"),
                ("State", "状态"),
                ("Starts on", "开始日期"),
                ("Ends on", "结束日期"),
                ("Assets", "设备数"),
            ),
            "SELECT k.number, k.name, c.name, k.state, k.starts_on, k.ends_on,"
            " (SELECT count(*) FROM contract_assets h WHERE h.contract_id = k.id)"
            " FROM contracts k LEFT JOIN customers c ON c.id = k.customer_id ORDER BY k.number, k.id",
        ),
        Listing(
            "contract_entries",
            "Use of contracts",
            "合同使用明细",
            "contract.read",
            (
                ("Contract", "合同"),
                ("Entitlement", "权益"),
                ("Kind", "类型"),
                ("Quantity", "数量"),
                ("Period", "周期"),
                ("Time", "时间"),
                ("Reason", "原因"),
            ),
            "SELECT k.number, e.key, l.kind, l.quantity, l.period_start, l.at, l.reason FROM entitlement_entries l"
            " JOIN contracts k ON k.id = l.contract_id JOIN entitlements e ON e.id = l.entitlement_id ORDER BY l.id",
        ),
        Listing(
            "stock_balances",
            "Stock",
            "库存",
            "stock.read",
            (
                ("Part number", "物料编号"),
                ("Name (English)", "英文名称"),
                ("Name (Chinese)", "中文名称"),
                ("Location code", "库位编码"),
                ("Lot", "批次"),
                ("Serial number", "序列号"),
                ("Quantity", "数量"),
                ("Unit", "单位"),
            ),
            "SELECT p.number, p.name_en, p.name_zh, l.code, o.lot, s.serial, b.quantity, p.unit FROM stock_balances b"
            " JOIN parts p ON p.id = b.part_id JOIN stock_locations l ON l.id = b.location_id"
            " LEFT JOIN stock_lots o ON o.id = b.lot_id LEFT JOIN stock_serials s ON s.id = b.serial_id"
            " WHERE b.quantity <> 0 ORDER BY p.number, l.code, b.id",
        ),
        Listing(
            "stock_movements",
            "Stock movements",
            "库存流水",
            "stock.read",
            (
                ("Time", "时间"),
                ("Kind", "类型"),
                ("Part number", "物料编号"),
                ("Location code", "库位编码"),
                ("Lot", "批次"),
                ("Serial number", "序列号"),
                ("Quantity", "数量"),
                ("Unit", "单位"),
                ("Work order", "工单"),
                ("Document", "单据"),
                ("Reason", "原因"),
                ("Movement", "流水号"),
            ),
            "SELECT m.occurred_at, m.kind, p.number, l.code, o.lot, s.serial, e.quantity, p.unit, m.work_order_number,"
            " m.reference_number, m.reason, m.id FROM stock_entries e JOIN stock_movements m ON m.id = e.movement_id"
            " JOIN parts p ON p.id = e.part_id JOIN stock_locations l ON l.id = e.location_id"
            " LEFT JOIN stock_lots o ON o.id = e.lot_id LEFT JOIN stock_serials s ON s.id = e.serial_id"
            " ORDER BY m.id DESC, e.line, e.quantity",
        ),
        Listing(
            "stock_serials",
            "Serial numbers in stock",
            "序列号台账",
            "stock.read",
            (
                ("Part number", "物料编号"),
                ("Serial number", "序列号"),
                ("Condition", "状态"),
                ("Asset serial", "设备序列号"),
                ("Since", "建立时间"),
            ),
            "SELECT p.number, s.serial, s.condition, a.serial, s.created_at FROM stock_serials s"
            " JOIN parts p ON p.id = s.part_id LEFT JOIN assets a ON a.id = s.asset_id"
            " ORDER BY p.number, s.serial, s.id",
        ),
        Listing(
            "repair_orders",
            "Repair orders",
            "返修单",
            "price.read",
            (
                ("Number", "编号"),
                ("Part number", "物料编号"),
                ("Serial number", "序列号"),
                ("State", "状态"),
                ("Cost", "费用"),
                ("Currency", "币种"),
                ("Sent", "送修时间"),
                ("Ended", "结束时间"),
            ),
            "SELECT r.number, p.number, s.serial, r.state, r.cost, r.currency, r.sent_at, r.ended_at"
            " FROM repair_orders r JOIN parts p ON p.id = r.part_id JOIN stock_serials s ON s.id = r.serial_id"
            " ORDER BY r.id DESC",
        ),
        Listing(
            "tools",
            "Tools",
            "工具",
            "stock.read",
            (
                ("Number", "编号"),
                ("Name (English)", "英文名称"),
                ("Name (Chinese)", "中文名称"),
                ("Serial number", "序列号"),
                ("Location code", "库位编码"),
                ("Calibration due", "检定到期"),
            ),
            "SELECT t.number, t.name_en, t.name_zh, s.serial, l.code, t.calibration_due_on FROM tools t"
            " JOIN stock_serials s ON s.id = t.serial_id"
            " LEFT JOIN stock_balances b ON b.serial_id = s.id AND b.quantity > 0 AND b.floored"
            " LEFT JOIN stock_locations l ON l.id = b.location_id ORDER BY t.number, t.id",
        ),
        Listing(
            "prices",
            "Prices",
            "价目",
            "price.read",
            (
                ("Price book", "价目表"),
                ("Currency", "币种"),
                ("Part number", "物料编号"),
                ("Tool", "工具"),
                ("Price", "价格"),
                ("From", "生效"),
                ("To", "失效"),
            ),
            "SELECT b.name, b.currency, p.number, t.number, x.price, b.valid_from, b.valid_to FROM prices x"
            " JOIN price_books b ON b.id = x.price_book_id LEFT JOIN parts p ON p.id = x.part_id"
            " LEFT JOIN tools t ON t.id = x.tool_id ORDER BY b.name, p.number, t.number, x.id",
        ),
        Listing(
            "purchase_orders",
            "Purchase orders",
            "采购单",
            "price.read",
            (
                ("Number", "编号"),
                ("Supplier", "供应商"),
                ("State", "状态"),
                ("Currency", "币种"),
                ("Expected", "预计到货"),
                ("Created", "创建时间"),
            ),
            "SELECT number, supplier, state, currency, expected_on, created_at FROM purchase_orders"
            " ORDER BY created_at DESC, id",
        ),
        Listing(
            "meters",
            "Meters",
            "仪表",
            "asset.read",
            (
                ("Asset serial number", "设备序列号"),
                ("Meter", "仪表"),
                ("Kind", "类型"),
                ("Unit", "单位"),
                ("Value", "读数"),
                ("Total", "累计"),
                ("Read at", "抄表时间"),
            ),
            "SELECT a.serial, m.name, m.kind, m.unit, m.value, m.total, m.read_at FROM meters m"
            " JOIN assets a ON a.id = m.asset_id WHERE m.archived_at IS NULL ORDER BY a.serial, m.name",
        ),
        Listing(
            "documents",
            "Documents",
            "文档",
            "document.read",
            (
                ("Title", "标题"),
                ("Kind", "类型"),
                ("Asset serial", "设备序列号"),
                ("Model code", "型号代码"),
                ("Revision", "修订"),
                ("File", "文件"),
                ("Public", "公开"),
                ("Created", "创建时间"),
            ),
            "SELECT d.title, d.kind, a.serial, m.code, d.latest, r.file_name, d.public, d.created_at FROM documents d"
            " LEFT JOIN assets a ON a.id = d.asset_id LEFT JOIN asset_models m ON m.id = d.asset_model_id"
            " LEFT JOIN document_revisions r ON r.document_id = d.id AND r.revision = d.latest"
            " WHERE d.archived_at IS NULL ORDER BY d.title, d.id",
        ),
    )
}
