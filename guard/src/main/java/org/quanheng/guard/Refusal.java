package org.quanheng.guard;

import jakarta.ws.rs.core.Response.Status;
import java.util.List;
import java.util.stream.Collectors;
import org.quanheng.guard.rules.Conflict;
import org.quanheng.guard.rules.Rules.Duty;

/**
 * Why something is not allowed. Never names a person.
 *
 * @param rule id of the rule of the pack, or one of our own for rules about acting
 * @param reason what the administrator reads, in Chinese
 * @param duty label of the duty in question; empty when there is none
 */
record Refusal(Status status, String rule, String article, String reason, String duty) {

    static Refusal noRules() {
        return new Refusal(Status.CONFLICT, "rules-missing", "",
                "本域的权限规则缺失或未通过校验，暂不能授予任何岗位或权限。请联系系统维护人员。", "");
    }

    static Refusal nobodyActs(Duty duty) {
        return of(Status.FORBIDDEN, "acting-nobody", duty, "登录过程或后台任务不得授予岗位或权限");
    }

    static Refusal oneself(Duty duty) {
        return of(Status.FORBIDDEN, "acting-self", duty, "不得为本人授予岗位或权限");
    }

    static Refusal direct(Duty duty) {
        return of(Status.FORBIDDEN, "acting-direct", duty, "不得直接授予角色，岗位和权限只能通过加入岗位组授予");
    }

    static Refusal notEntitled(Duty duty) {
        return of(Status.FORBIDDEN, "acting-not-entitled", duty, "您的岗位无权在该辖区授予");
    }

    static Refusal serviceAccount(Duty duty) {
        return of(Status.CONFLICT, "target-service-account", duty, "服务账号不得承担岗位或权限");
    }

    static Refusal foreignAccount(Duty duty) {
        return of(Status.CONFLICT, "target-foreign", duty, "该账号不在本系统中保存，不得承担岗位或权限");
    }

    static Refusal unlinked(Duty duty) {
        return of(Status.CONFLICT, "target-unlinked", duty, "该账号尚未绑定电子社保卡（草稿补全后由系统绑定），不得承担岗位或权限");
    }

    static Refusal elsewhere(Duty duty) {
        return of(Status.CONFLICT, "target-elsewhere", duty, "该岗位不在此人工作的地区，不得跨地区授予");
    }

    static Refusal removal() {
        return new Refusal(Status.FORBIDDEN, "account-removal", "", "受管账号不得删除，只能停用或注销。", "");
    }

    static Refusal removalByDelegate() {
        return new Refusal(Status.FORBIDDEN, "account-removal", "", "账号不得删除；停用请关闭“启用”开关。", "");
    }

    static Refusal draftEnabled() {
        return new Refusal(Status.FORBIDDEN, "draft-enable", "",
                "该账号是草稿：停用、无岗位，须待人事数据或 quanheng accounts complete 补全后由系统启用。", "");
    }

    static Refusal userName() {
        return new Refusal(Status.FORBIDDEN, "user-name", "",
                "该用户名是系统编发、服务账号或应急账号专用的，草稿请另取用户名。", "");
    }

    static Refusal credentials() {
        return new Refusal(Status.FORBIDDEN, "credentials", "",
                "本系统以电子社保卡登录，管理员不得设置或重置口令，不得改动任何登录凭据和必需操作，也不得发送操作邮件；请让本人用电子社保卡登录。", "");
    }

    static Refusal source() {
        return new Refusal(Status.FORBIDDEN, "account-source", "",
                "账号的用户存储来源（federationLink）不得由管理员设置，请去掉该项后重试。", "");
    }

    static Refusal identityLink() {
        return new Refusal(Status.FORBIDDEN, "identity-link", "",
                "账号与身份提供方的绑定只能由同步服务维护，管理员不得绑定或解除；确需更正的，请联系系统维护人员。", "");
    }

    static Refusal administration() {
        return new Refusal(Status.FORBIDDEN, "administration", "",
                "域管理权限（realm-management 的角色）只随岗位取得，不得另行授予；请通过岗位组授予相应岗位，或联系系统维护人员。", "");
    }

    /** @param duty null while there are no rules, and every role may be one */
    static Refusal roleRemoval(Duty duty) {
        if (duty == null) {
            return new Refusal(Status.FORBIDDEN, "duty-role-removal", "",
                    "本域的权限规则缺失或未通过校验，暂不能删除角色。请联系系统维护人员。", "");
        }
        return new Refusal(Status.FORBIDDEN, "duty-role-removal", duty.article(),
                "角色“" + duty.label() + "”受权限规则约束，不得删除。", duty.label());
    }

    /** @param duty null while there are no rules, and every role may be one */
    static Refusal roleRename(Duty duty) {
        if (duty == null) {
            return new Refusal(Status.FORBIDDEN, "duty-role-rename", "",
                    "本域的权限规则缺失或未通过校验，暂不能更改角色名称。请联系系统维护人员。", "");
        }
        return new Refusal(Status.FORBIDDEN, "duty-role-rename", duty.article(),
                "角色“" + duty.label() + "”受权限规则约束，不得改名。", duty.label());
    }

    static Refusal sealedRoleRename() {
        return new Refusal(Status.FORBIDDEN, "duty-role-rename", "",
                "该角色是默认角色或 Keycloak 自带的角色，其内容受权限规则约束，不得改名。", "");
    }

    /** @param known whether there are rules; without them every role may be a duty */
    static Refusal clientRename(boolean known) {
        return new Refusal(Status.FORBIDDEN, "duty-client-rename", "", known
                ? "该客户端的角色受权限规则约束，不得更改客户端标识。"
                : "本域的权限规则缺失或未通过校验，暂不能更改客户端标识。请联系系统维护人员。", "");
    }

    static Refusal writerAccount() {
        return new Refusal(Status.FORBIDDEN, "writer-account", "",
                "同步服务的客户端不得删除或改名，其服务账号不得删除、关闭或另设。", "");
    }

    static Refusal clientRegistration() {
        return new Refusal(Status.FORBIDDEN, "client-registration", "",
                "本域不接受客户端注册接口，客户端只能在管理控制台或由 realm apply 维护。", "");
    }

    /** @param known whether there are rules; without them every group may give a duty */
    static Refusal dutyGroup(boolean known) {
        return new Refusal(Status.FORBIDDEN, "duty-group", "", known
                ? "赋予岗位、权限或资格的组（其角色、上级组、所属地区、名称及默认组设置）只能由同步服务维护，不得删除。"
                : "本域的权限规则缺失或未通过校验，暂不能更改或删除组。请联系系统维护人员。", "");
    }

    static Refusal qualification(String label) {
        return new Refusal(Status.FORBIDDEN, "qualification", "",
                "资格“" + label + "”以人事数据为准，只能由同步服务登记。", "");
    }

    static Refusal rulesRemoval() {
        return new Refusal(Status.FORBIDDEN, "rules-removal", "",
                "本域的权限规则只能由同步服务更换，不得通过域设置删除或修改。", "");
    }

    static Refusal realmRename() {
        return new Refusal(Status.FORBIDDEN, "realm-rename", "",
                "权限规则只对本域现在的名称有效，域不得改名。", "");
    }

    /** @param kind of what {@link Restoration} would take away */
    static Refusal power(String kind) {
        return new Refusal(Status.FORBIDDEN, "power-" + kind.replace('_', '-'), "", switch (kind) {
            case "composite" -> "不得把受权限规则约束的角色放入其他角色，复合角色和默认角色只能由同步服务维护。";
            case "default_group" -> "不得设置默认组，岗位和权限不能随建立账号而得。";
            default -> "不得添加会授予角色、或改写角色和身份信息的映射器。";
        }, "");
    }

    static Refusal record() {
        return new Refusal(Status.FORBIDDEN, "person-record", "",
                "账号的用户名、姓名、人员编号和所属机构以人事数据为准，只能由同步服务登记；请在人事数据中更正。", "");
    }

    static Refusal place() {
        return new Refusal(Status.FORBIDDEN, "person-place", "",
                "人员所属机构以人事数据为准，不得在控制台调入、调出机构组；请在人事数据中更正。", "");
    }

    static Refusal secondPlace() {
        return new Refusal(Status.FORBIDDEN, "person-place", "",
                "账号只能属于一个机构组，请只选本人所在的乡镇、街道或网点。", "");
    }

    static Refusal cardLink() {
        return new Refusal(Status.FORBIDDEN, "card-link", "", "电子社保卡只能由同步服务绑定或解除。", "");
    }

    /** One refusal for all that is broken at once; the first gives the rule. */
    static Refusal conflicts(List<Conflict> conflicts, Duty duty) {
        Conflict first = conflicts.get(0);
        String reason = conflicts.stream().map(Conflict::reason).distinct().collect(Collectors.joining("；"));
        return new Refusal(Status.CONFLICT, first.rule(), first.article(), "不予授权：" + reason + "。", duty.label());
    }

    /** One refusal with every reason; the first gives status and rule. None of them may be there. */
    static Refusal all(Refusal... refusals) {
        Refusal all = null;
        for (Refusal next : refusals) {
            if (all == null) {
                all = next;
            } else if (next != null) {
                all = new Refusal(all.status, all.rule, all.article, all.reason + next.reason, all.duty);
            }
        }
        return all;
    }

    private static Refusal of(Status status, String rule, Duty duty, String reason) {
        return new Refusal(status, rule, duty.article(),
                "不予授权“" + duty.label() + "”（" + duty.article() + "）：" + reason + "。", duty.label());
    }
}
