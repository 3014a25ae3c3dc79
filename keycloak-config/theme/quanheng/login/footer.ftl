<#macro content>
    <p class="quanheng-footer">${msg("quanhengFooter")}</p>
</#macro>
