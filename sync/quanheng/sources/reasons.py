"""What staff read about a row in quarantine: a label and what to do, for every reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from quanheng.model.staff import Reason


@dataclass(frozen=True, slots=True)
class Explanation:
    """Texts in simplified Chinese."""

    label: str
    """A few characters, for a column of a table."""
    remedy: str
    """One sentence: what to do and who does it."""


EXPLANATIONS: Final[Mapping[Reason, Explanation]] = MappingProxyType(
    {
        Reason.TRUNCATED: Explanation("行不完整", "文件在此行中断，请由报送单位重新导出并完整上传。"),
        Reason.WRONG_COLUMN_COUNT: Explanation(
            "列数不符", "请检查该行是否多出或缺少逗号、引号或换行，由报送单位更正后重新报送。"
        ),
        Reason.MISSING_VALUE: Explanation("必填项为空", "请由报送单位补填该项后重新报送。"),
        Reason.UNREADABLE_TEXT: Explanation(
            "文字无法识别", "该行含有乱码或不可见字符，请由报送单位核对编码后重新导出。"
        ),
        Reason.BAD_STAFF_NO: Explanation(
            "人员编号不合规范", "人员编号不得使用证件号码或手机号码，请由报送单位改用单位内部编号。"
        ),
        Reason.BAD_NAME: Explanation("姓名不合规范", "请按证件所载核对姓名后由报送单位更正。"),
        Reason.UNKNOWN_DOCUMENT_KIND: Explanation(
            "证件类型未知", "请使用约定的证件类型名称，由报送单位更正。"
        ),
        Reason.BAD_DOCUMENT_NUMBER: Explanation(
            "证件号码格式错误", "请核对证件号码与证件类型后由报送单位更正。"
        ),
        Reason.BAD_CHECK_DIGIT: Explanation("身份证校验位错误", "请核对证件后由报送单位更正。"),
        Reason.BAD_PHONE: Explanation("联系电话错误", "请填写本人的十一位手机号码，由报送单位更正。"),
        Reason.BAD_DATE: Explanation("日期错误", "请核对日期是否存在、截止是否早于起始，由报送单位更正。"),
        Reason.UNKNOWN_ORGANISATION: Explanation(
            "机构未知", "请核对机构编码；新设或变更的机构请先报送机构名册或编码对照表。"
        ),
        Reason.OUT_OF_SCOPE: Explanation(
            "超出报送范围", "该机构不在本来源的申报范围内，请由其所属单位报送，或更正申报范围。"
        ),
        Reason.UNKNOWN_POST: Explanation("岗位未知", "请使用岗位目录中的岗位名称，由报送单位更正。"),
        Reason.POST_AT_WRONG_LEVEL: Explanation(
            "岗位与机构层级不符", "该岗位不得设在此层级机构，请核对岗位或机构后由报送单位更正。"
        ),
        Reason.UNKNOWN_EMPLOYMENT: Explanation("用工性质未知", "请使用约定的用工性质名称，由报送单位更正。"),
        Reason.UNKNOWN_STATUS: Explanation("人员状态未知", "请使用约定的人员状态名称，由报送单位更正。"),
        Reason.DUPLICATE_ROW: Explanation("重复行", "同一人员、机构和岗位已有一行，请由报送单位删除多余行。"),
        Reason.CONFLICTING_ROWS: Explanation(
            "多行互相矛盾", "同一证件或同一人员编号的各行内容不一致，请由报送单位核实后只保留正确的。"
        ),
        Reason.MEMBER_OUTSIDE_BASE: Explanation(
            "成员不在人员目录内", "岗位组的成员不在约定的人员目录下，请由目录管理员移出或迁入该成员。"
        ),
    }
)
