<#-- Instead of keycloak.v2's: every refusal stands in the same place. There, a wrong password is told at its
     field and a disabled account above the form, so that the place would tell one from the other. -->
<#import "template.ftl" as layout>
<#import "field.ftl" as field>
<#import "buttons.ftl" as buttons>
<@layout.registrationLayout; section>
    <#if section = "header">
        ${msg("loginAccountTitle")}
    <#elseif section = "form">
        <form id="kc-form-login" class="${properties.kcFormClass!}" action="${url.loginAction}" method="post"
              novalidate="novalidate" onsubmit="login.disabled = true; return true;">
            <#if !usernameHidden??>
                <@field.input name="username" label=msg("username") value=login.username!'' error="" autofocus=true autocomplete="username"/>
            </#if>
            <@field.password name="password" label=msg("password") error="" autofocus=usernameHidden?? autocomplete="current-password"/>
            <@buttons.loginButton/>
        </form>
    </#if>
</@layout.registrationLayout>
